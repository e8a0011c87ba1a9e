package audit

import (
	"encoding/binary"
	"errors"
)

// bundle is a file of up to 256 entries, each after its length in two bytes.
type bundle struct {
	raw     []byte
	entries [][]byte
	// ends are the offsets behind each entry.
	ends []int
}

// split reads a bundle. With an error it holds the entries before the first that cannot be read.
func split(raw []byte) (bundle, error) {
	b := bundle{raw: raw}
	for at := 0; at < len(raw); {
		if at+2 > len(raw) {
			return b, errors.New("is cut off")
		}
		end := at + 2 + int(binary.BigEndian.Uint16(raw[at:]))
		if end > len(raw) {
			return b, errors.New("is cut off, or says a wrong length")
		}
		b.entries = append(b.entries, raw[at+2:end])
		b.ends = append(b.ends, end)
		at = end
	}
	return b, nil
}
