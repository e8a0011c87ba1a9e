package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/tocsin-dev/tocsin/internal/durable"
)

// Files beside the log.
const (
	keyFile    = "audit.key"
	publicFile = "audit.pub"
	lockFile   = "audit.lock"
	logDir     = "log"
)

// algorithmEd25519 is the first byte of an encoded note key.
const algorithmEd25519 = 1

// loadKey reads the key pair of a log, or makes one where there is no log yet.
func loadKey(dir string) (skey, vkey string, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, keyFile))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, logDir)); err == nil {
			return "", "", fmt.Errorf("%s is missing but there is a log: put the key back, or move the log away to begin a new one", filepath.Join(dir, keyFile))
		}
		return createKey(dir)
	}
	if err != nil {
		return "", "", err
	}
	skey = strings.TrimSuffix(string(raw), "\n")
	if vkey, err = publicOf(skey); err != nil {
		return "", "", fmt.Errorf("%s: %w", filepath.Join(dir, keyFile), err)
	}
	return skey, vkey, nil
}

func createKey(dir string) (skey, vkey string, err error) {
	suffix := make([]byte, 4)
	if _, err := rand.Read(suffix); err != nil {
		return "", "", err
	}
	skey, vkey, err = note.GenerateKey(rand.Reader, "soc.tocsin.dev/audit/"+hex.EncodeToString(suffix))
	if err != nil {
		return "", "", err
	}
	return skey, vkey, durable.WriteFile(filepath.Join(dir, keyFile), []byte(skey+"\n"), 0o600)
}

// publicOf derives the verifier key of a signer key, and refuses a signer key
// that is not written exactly as it should be.
func publicOf(skey string) (string, error) {
	signer, err := note.NewSigner(skey)
	if err != nil {
		return "", errors.New("is not a signer key of a note")
	}
	prefix := fmt.Sprintf("PRIVATE+KEY+%s+%08x+", signer.Name(), signer.KeyHash())
	encoded, ok := strings.CutPrefix(skey, prefix)
	if !ok {
		return "", errors.New("is not written as signer keys are")
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) != 1+ed25519.SeedSize || raw[0] != algorithmEd25519 || encoded != base64.StdEncoding.EncodeToString(raw) {
		return "", errors.New("is not an Ed25519 signer key")
	}
	public := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	return note.NewEd25519VerifierKey(signer.Name(), public)
}

// checkKeys verifies the key files where a copy of the log has them.
func checkKeys(dir, vkey string) error {
	raw, err := os.ReadFile(filepath.Join(dir, publicFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !bytes.Equal(raw, []byte(vkey+"\n")):
		return &Tampered{Index: none, File: publicFile, Reason: "is not the public key that the log is verified with"}
	}
	raw, err = os.ReadFile(filepath.Join(dir, keyFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	skey, ended := strings.CutSuffix(string(raw), "\n")
	if public, err := publicOf(skey); err != nil || !ended || public != vkey {
		return &Tampered{Index: none, File: keyFile, Reason: "is not the key of the public key that the log is verified with"}
	}
	return nil
}
