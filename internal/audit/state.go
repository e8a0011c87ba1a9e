package audit

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
)

// state is how far the driver has come: everything below Size is durable.
type state struct {
	Size uint64 `json:"size"`
	Root []byte `json:"root"`
}

// readState demands the very bytes that the driver writes.
func readState(log string) (state, error) {
	var s state
	raw, err := os.ReadFile(filepath.Join(log, filepath.FromSlash(statePath)))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, err
	}
	again, err := json.Marshal(s)
	if err != nil {
		return s, err
	}
	if string(again) != string(raw) {
		return s, errors.New("is not written as the log writes it")
	}
	return s, nil
}
