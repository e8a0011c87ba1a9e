package audit

import "fmt"

// none is the Index of a Tampered that is not about an entry.
const none = -1

// Tampered says what first does not fit.
type Tampered struct {
	// Index of the entry, or -1 where the file is all that can be told.
	Index int64
	// File below the directory of the log, with slashes.
	File string
	// Reason in words.
	Reason string
}

func (t *Tampered) Error() string {
	if t.Index == none {
		return fmt.Sprintf("%s: %s", t.File, t.Reason)
	}
	return fmt.Sprintf("entry %d (%s): %s", t.Index, t.File, t.Reason)
}
