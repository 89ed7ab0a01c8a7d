package xla

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tinyELF is the smallest library that passes the static check: it exports symbol and has nothing behind it.
func tinyELF(symbol string) []byte {
	const headers, symbols, names = 64 + 56, 2 * 24, 64
	dynstr := append([]byte{0}, symbol...)
	dynstr = append(dynstr, make([]byte, names-len(dynstr))...)
	shstr := []byte("\x00.dynsym\x00.dynstr\x00.shstrtab\x00\x00\x00\x00\x00\x00")
	shoff := uint64(headers + symbols + names + len(shstr))
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) }
	h := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Shoff: shoff,
		Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64, Shnum: 4, Shstrndx: 3,
	}
	copy(h.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	put(h)
	put(elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: 4, Filesz: shoff, Memsz: shoff, Align: 4096})
	put(elf.Sym64{})
	put(elf.Sym64{Name: 1, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Shndx: 1, Value: 64, Size: 1})
	b.Write(dynstr)
	b.Write(shstr)
	put(elf.Section64{})
	put(elf.Section64{Name: 1, Type: uint32(elf.SHT_DYNSYM), Off: headers, Size: symbols, Link: 2, Info: 1, Entsize: 24})
	put(elf.Section64{Name: 9, Type: uint32(elf.SHT_STRTAB), Off: headers + symbols, Size: names})
	put(elf.Section64{Name: 17, Type: uint32(elf.SHT_STRTAB), Off: headers + symbols + names, Size: uint64(len(shstr))})
	return b.Bytes()
}

// patched is a copy of lib with value at offset, little endian.
func patched(lib []byte, offset int, value any) []byte {
	var v bytes.Buffer
	_ = binary.Write(&v, binary.LittleEndian, value)
	out := bytes.Clone(lib)
	copy(out[offset:], v.Bytes())
	return out
}

func write(t *testing.T, name string, contents []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, contents, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheckELF(t *testing.T) {
	good := tinyELF(entryPoint)
	const machineAt, typeAt, fileszAt, dynsymSizeAt = 18, 16, 64 + 32, 32 // dynsymSizeAt: within its section header
	dynsym := int(binary.LittleEndian.Uint64(good[40:])) + 64
	for _, tc := range []struct {
		name     string
		contents []byte
		want     string // in the reason; "" for none
	}{
		{"good", good, ""},
		{"empty", nil, "not a shared library"},
		{"text", []byte("<html>404 not found</html>"), "not a shared library"},
		{"half", good[:len(good)/2], "truncated"},
		{"one byte short", good[:len(good)-1], "truncated"},
		{"other processor", patched(good, machineAt, uint16(elf.EM_AARCH64)), "another processor: EM_AARCH64, this one is EM_X86_64"},
		{"32 bit", patched(good, 4, uint8(1)), ""},
		{"program", patched(good, typeAt, uint16(elf.ET_EXEC)), "of type ET_EXEC"},
		{"nothing to load", patched(good, 64, uint32(elf.PT_NOTE)), "nothing to load"},
		{"segment beyond the end", patched(good, fileszAt, uint64(1<<40)), "header promises 1099511627776 bytes"},
		{"segment that wraps around", patched(good, fileszAt, ^uint64(0)), "damaged"},
		{"symbols beyond the end", patched(good, dynsym+dynsymSizeAt, uint64(1<<30)), "truncated"},
		{"another library", tinyELF("OtherSymbol"), "exports no GetPjrtApi"},
		{"only imports it", patched(good, 120+24+6, uint16(elf.SHN_UNDEF)), "exports no GetPjrtApi"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := checkELF(write(t, "pjrt_c_api_cpu_plugin.so", tc.contents), elf.EM_X86_64)
			switch {
			case tc.name == "32 bit":
				if err == nil {
					t.Error("accepted")
				}
			case tc.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("reason %v, want %q", err, tc.want)
			}
		})
	}
	if err := checkELF(t.TempDir(), elf.EM_X86_64); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
	if err := checkELF(filepath.Join(t.TempDir(), "none"), elf.EM_X86_64); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a missing file: %v", err)
	}
}

// Whatever length a download stopped at, the loader must never see it.
func TestCheckELFRefusesEveryPrefix(t *testing.T) {
	good := tinyELF(entryPoint)
	path := write(t, "p.so", nil)
	for n := range good {
		if err := os.WriteFile(path, good[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if err := checkELF(path, elf.EM_X86_64); err == nil {
			t.Fatalf("accepted the first %d of %d bytes", n, len(good))
		}
	}
}

func FuzzCheckELF(f *testing.F) {
	f.Add(tinyELF(entryPoint))
	f.Add([]byte(elf.ELFMAG))
	path := filepath.Join(f.TempDir(), "p.so")
	f.Fuzz(func(t *testing.T, lib []byte) {
		if err := os.WriteFile(path, lib, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := checkELF(path, elf.EM_X86_64); err != nil && strings.Contains(err.Error(), "structure cannot be read") {
			t.Fatal(err) // a panic inside debug/elf or here
		}
	})
}
