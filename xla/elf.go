package xla

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

const (
	entryPoint    = "GetPjrtApi" // the one symbol of the PJRT C interface
	maxPluginSize = 4 << 30      // bytes; the largest known, CUDA's, has under 1 GB
	maxSymbolSize = 64 << 20     // bytes of dynamic symbols or their names; the pinned plugin has 31 kB
)

// elfMachine is what a plugin for this process must be built for.
func elfMachine() elf.Machine {
	switch runtime.GOARCH {
	case "amd64":
		return elf.EM_X86_64
	case "arm64":
		return elf.EM_AARCH64
	}
	return elf.EM_NONE
}

// checkELF tells why a file cannot be a plugin for machine, without running any of it. The dynamic loader trusts what
// it maps: a truncated file gives it a bus error, which ends the process.
func checkELF(path string, machine elf.Machine) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = fmt.Errorf("its structure cannot be read: %v", x)
		}
	}()
	info, err := os.Stat(path)
	if err != nil {
		return errors.New("there is no such file")
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	size := uint64(info.Size())
	if size > maxPluginSize {
		return fmt.Errorf("it has %d bytes, more than any plugin", size)
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("it cannot be read: %w", errors.Unwrap(err))
	}
	defer file.Close()
	var magic [4]byte
	if _, err := io.ReadFull(file, magic[:]); err != nil || string(magic[:]) != elf.ELFMAG {
		return errors.New("it is not a shared library: it does not begin like an ELF file")
	}
	lib, err := elf.NewFile(file)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("it is truncated: it ends at %d bytes, before what its header names", size)
	}
	if err != nil {
		return fmt.Errorf("it is damaged: %w", err)
	}
	switch {
	case lib.Class != elf.ELFCLASS64 || lib.Machine != machine:
		return fmt.Errorf("it is built for another processor: %v, this one is %v", lib.Machine, machine)
	case lib.Type != elf.ET_DYN:
		return fmt.Errorf("it is not a shared library but of type %v", lib.Type)
	}
	return checkLayout(lib, size)
}

// checkLayout compares what the headers promise with the size of the file, and looks for the entry point.
func checkLayout(lib *elf.File, size uint64) error {
	within := func(offset, length uint64) bool { return offset <= size && length <= size-offset }
	loads := 0
	for _, p := range lib.Progs {
		if p.Type == elf.PT_LOAD {
			loads++
		}
		if p.Type != elf.PT_NULL && !within(p.Off, p.Filesz) {
			return fmt.Errorf("it is truncated: its header promises %d bytes, it has %d", p.Off+p.Filesz, size)
		}
	}
	if loads == 0 {
		return errors.New("it is damaged: it has nothing to load")
	}
	for _, s := range lib.Sections {
		if s.Type == elf.SHT_NOBITS || s.Type == elf.SHT_NULL {
			continue
		}
		if !within(s.Offset, s.FileSize) {
			return fmt.Errorf("it is truncated: its header promises %d bytes, it has %d", s.Offset+s.FileSize, size)
		}
		if (s.Type == elf.SHT_DYNSYM || s.Name == ".dynstr") && s.Size > maxSymbolSize {
			return fmt.Errorf("it is damaged: its symbol table claims %d bytes", s.Size)
		}
	}
	symbols, err := lib.DynamicSymbols()
	if err != nil {
		return fmt.Errorf("it exports no %s: it is not an XLA plugin", entryPoint)
	}
	for _, s := range symbols {
		if s.Name == entryPoint && s.Section != elf.SHN_UNDEF {
			return nil
		}
	}
	return fmt.Errorf("it exports no %s: it is not an XLA plugin", entryPoint)
}
