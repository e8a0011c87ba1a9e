package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
	"github.com/tocsin-dev/tocsin/internal/redact"
)

// Clean parses a body and returns it in one canonical form without secrets. The
// error names the place where a body is not JSON; what can be kept of it is returned too.
func Clean(body []byte) ([]byte, error) {
	v, err := parse(body)
	if err != nil {
		// An audit event holds a patch as its client wrote it, nested as deep as JSON may
		// be, so that around it nothing would be left of the whole batch.
		v, err = parse(shallow(body))
	}
	if err != nil {
		return salvage(body), malformed(body)
	}
	var out bytes.Buffer
	out.Grow(len(body))
	write(&out, v)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// write adds a plain JSON value without its secrets, on a line of its own.
func write(out *bytes.Buffer, v any) {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(redact.JSON(v)) // Plain JSON values always marshal.
}

// salvage keeps the values that a malformed body begins with. Of the rest, where
// nothing tells what is a secret, only length and digest stay: what parses further
// on may be the inside of one.
func salvage(body []byte) []byte {
	var out bytes.Buffer
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	for {
		rest := body[decoder.InputOffset():]
		var v any
		err := decoder.Decode(&v)
		if errors.Is(err, io.EOF) {
			return out.Bytes()
		}
		if err != nil {
			fmt.Fprintf(&out, "[%d bytes that are not JSON, SHA-256 %s]", len(rest), decode.Digest(rest))
			return out.Bytes()
		}
		write(&out, v)
	}
}

func parse(body []byte) (v any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one value")
	}
	return v, nil
}

const (
	// maxNesting of what is kept of a body that is nested too deep.
	maxNesting = 256
	tooDeep    = `"[nested too deep]"`
)

// shallow replaces what is nested too deep.
func shallow(body []byte) []byte {
	out := make([]byte, 0, len(body))
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		begin := i
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth == maxNesting+1 {
				out = append(out, tooDeep...)
			}
		case c == ']' || c == '}':
			if depth--; depth == maxNesting {
				continue
			}
		}
		if depth <= maxNesting {
			out = append(out, body[begin:min(i+1, len(body))]...)
		}
	}
	return out
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
