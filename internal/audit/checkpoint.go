package audit

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
)

// openCheckpoint checks the signature of a checkpoint. It demands the very bytes
// that signing writes, since a note may otherwise be changed in ways that leave
// its signature valid.
func openCheckpoint(raw []byte, verifier note.Verifier) (log.Checkpoint, error) {
	var cp log.Checkpoint
	n, err := note.Open(raw, note.VerifierList(verifier))
	if err != nil {
		return cp, fmt.Errorf("is not signed by %s", verifier.Name())
	}
	if string(raw) != n.Text+"\n"+signatureLine(n.Sigs[0]) {
		return cp, errors.New("is signed, but not written as checkpoints are")
	}
	rest, err := cp.Unmarshal([]byte(n.Text))
	if err != nil {
		return cp, err
	}
	if len(rest) > 0 || cp.Origin != verifier.Name() || n.Text != string(cp.Marshal()) {
		return cp, errors.New("is signed, but not a checkpoint of this log")
	}
	return cp, nil
}

func signatureLine(s note.Signature) string {
	raw, err := base64.StdEncoding.DecodeString(s.Base64)
	if err != nil {
		return ""
	}
	raw = append(binary.BigEndian.AppendUint32(nil, s.Hash), raw[4:]...)
	return fmt.Sprintf("— %s %s\n", s.Name, base64.StdEncoding.EncodeToString(raw))
}
