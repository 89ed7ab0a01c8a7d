package support

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mr-tron/base58"

	"github.com/murmurnet/murmur/node/home"
)

// maxSecret bounds a file that may hold a key.
const maxSecret = 64 << 10

// Secret is bytes that must not leave the machine.
type Secret struct {
	File  string
	Bytes []byte
}

// Secrets reads the keys and tokens of a swarm's directory. What cannot be read cannot be packed either.
func Secrets(dir home.Dir) (out []Secret, err error) {
	for _, pattern := range []string{"*.key", "*.key.*", "*token*"} {
		files, err := filepath.Glob(filepath.Join(string(dir), pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range files {
			info, err := os.Stat(path)
			if err != nil || !info.Mode().IsRegular() || info.Size() > maxSecret {
				continue
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("looking for what must not be packed: %w", err)
			}
			name, text := filepath.Base(path), bytes.TrimSpace(b)
			out = append(out, Secret{name, text})
			if block, _ := pem.Decode(b); block != nil {
				out = append(out, Secret{name, block.Bytes})
			}
			if seed, err := hex.DecodeString(string(text)); err == nil {
				out = append(out, Secret{name, seed})
			}
		}
	}
	if key, err := dir.Identity(); err == nil { // in the form in which it signs, too
		out = append(out, Secret{"identity.key", key.Seed()})
	}
	return out, nil
}

// leastSecret is how many bytes cannot stand anywhere by chance.
const leastSecret = 8

// In tells whether a file holds the secret, as it is or written as text in one of the usual ways.
func (s Secret) In(b []byte) bool {
	if len(s.Bytes) < leastSecret {
		return false
	}
	forms := []string{
		string(s.Bytes), hex.EncodeToString(s.Bytes), strings.ToUpper(hex.EncodeToString(s.Bytes)),
		base64.RawStdEncoding.EncodeToString(s.Bytes), base64.RawURLEncoding.EncodeToString(s.Bytes), base58.Encode(s.Bytes),
	}
	for line := range strings.Lines(string(s.Bytes)) { // of PEM
		if line = strings.TrimSpace(line); len(line) >= 2*leastSecret && !strings.HasPrefix(line, "-----") {
			forms = append(forms, line)
		}
	}
	for _, f := range forms {
		if bytes.Contains(b, []byte(f)) {
			return true
		}
	}
	return false
}
