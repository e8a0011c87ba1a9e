package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Type is what an entry tells of.
type Type string

// The types, in the order in which a case passes them.
const (
	TypeAlert         Type = "alert"
	TypeInvestigation Type = "investigation"
	TypeVerdict       Type = "verdict"
	TypePlan          Type = "plan"
	TypeDecision      Type = "decision"
	TypeApproval      Type = "approval"
	TypeIntent        Type = "intent"
	TypeResult        Type = "result"
	TypeUndo          Type = "undo"
	TypeStop          Type = "stop"
	// TypeRecovery tells of entries that nobody vouches for.
	TypeRecovery Type = "recovery"
)

var types = []Type{
	TypeAlert, TypeInvestigation, TypeVerdict, TypePlan, TypeDecision,
	TypeApproval, TypeIntent, TypeResult, TypeUndo, TypeStop, TypeRecovery,
}

// maxEntry is the most that the log format can hold of one entry, in bytes.
const maxEntry = 1<<16 - 1

// Entry is one thing that was seen, concluded, decided or done. Secrets are
// redacted before they come here: nothing can be taken out of the log again.
type Entry struct {
	// Index is the entry's place in the log; Append assigns it.
	Index int64 `json:"-"`

	Time      time.Time `json:"time"`
	Type      Type      `json:"type"`
	Namespace string    `json:"namespace,omitempty"`
	// Case names the Investigation.
	Case string `json:"case,omitempty"`
	// Action names the ResponseAction.
	Action string `json:"action,omitempty"`
	// Actor is the user name, or the part of Tocsin, that did it.
	Actor string `json:"actor,omitempty"`
	// Summary in one line.
	Summary string `json:"summary,omitempty"`
	// Digest is the hex SHA-256 of what the entry vouches for but does not hold.
	Digest string `json:"digest,omitempty"`
	// Data is whatever the type needs; numbers are json.Number when read back.
	Data map[string]any `json:"data,omitempty"`
}

// encode returns one line of JSON that is the same for equal entries.
func (e Entry) encode() ([]byte, error) {
	if e.Time.IsZero() {
		return nil, errors.New("audit entry: time is missing")
	}
	if !slices.Contains(types, e.Type) {
		return nil, fmt.Errorf("audit entry: type %q is none of %q", e.Type, types)
	}
	e.Time = e.Time.UTC()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		return nil, fmt.Errorf("audit entry: %w", err)
	}
	raw := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(raw) > maxEntry {
		return nil, fmt.Errorf("audit entry: has %d bytes, more than the %d that fit; log a digest in place of large data", len(raw), maxEntry)
	}
	return raw, nil
}

// decode reads what encode wrote, also with fields that this version does not know.
func decode(raw []byte) (Entry, error) {
	var e Entry
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&e); err != nil {
		return Entry{}, err
	}
	if _, err := decoder.Token(); err == nil {
		return Entry{}, errors.New("more than one JSON value")
	}
	return e, nil
}
