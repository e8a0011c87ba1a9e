package stream

import (
	"fmt"
	"strconv"
	"strings"
)

// Position is a place in the event stream. It is written as "<stream>/<sequence>".
type Position struct {
	// Stream identifies one stream for ever: a new one in an empty directory has another.
	Stream string
	// Sequence counts from 1.
	Sequence uint64
}

func (p Position) String() string { return p.Stream + "/" + strconv.FormatUint(p.Sequence, 10) }

// ParsePosition is the inverse of String.
func ParsePosition(s string) (Position, error) {
	id, number, found := strings.Cut(s, "/")
	sequence, err := strconv.ParseUint(number, 10, 63)
	if !found || id == "" || err != nil || sequence == 0 {
		return Position{}, fmt.Errorf("position %q: expected <stream>/<sequence>", s)
	}
	return Position{Stream: id, Sequence: sequence}, nil
}
