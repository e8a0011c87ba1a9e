package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tocsin-dev/tocsin/internal/redact"
)

// clean parses a body and returns it in one canonical form without secrets. The
// error names the place where a body is not JSON.
func clean(body []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, malformed(body)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed(body)
	}
	var out bytes.Buffer
	out.Grow(len(body))
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(redact.JSON(v)); err != nil {
		return nil, fmt.Errorf("malformed JSON: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// malformed parses once more, in the way that tells the place.
func malformed(body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return errors.New("malformed JSON: the body is empty")
	}
	var raw json.RawMessage
	err := json.Unmarshal(body, &raw)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return fmt.Errorf("malformed JSON: %w", err)
	}
	before := body[:min(max(syntax.Offset-1, 0), int64(len(body)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Errorf("malformed JSON at line %d, column %d: %w", line, column, err)
}
