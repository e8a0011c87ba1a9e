// Package decode turns the bodies of senders into alerts and raw events. It is
// pure, and whatever a body holds, the alerts fit the schema of the Alert kind.
package decode

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Batch is what one body holds.
type Batch struct {
	// Alerts have neither source nor fingerprint yet.
	Alerts []v1alpha1.AlertSpec
	// Raw holds the JSON of the events that alerts were made of, by its digest.
	Raw map[string][]byte
	// Events are raw events for detection.
	Events []Event
	// Failures are the parts that are neither.
	Failures []Failure
}

// Event is one raw event as detection rules see it: plain JSON values.
type Event struct {
	Object map[string]any
	At     time.Time
	// Raw is the event's JSON.
	Raw []byte
}

// Failure is a part of a body that could not be decoded. Body is that part.
type Failure struct {
	Body  []byte
	Class Class
	Err   error
}

// Class tells failures apart for counting.
type Class string

const (
	// ClassFormat: the event is not of the format that the AlertSource states.
	ClassFormat Class = "format"
	// ClassMapping: an expression of spec.mapping failed on the event.
	ClassMapping Class = "mapping"
)

// Decoder decodes the redacted bodies of one AlertSource.
type Decoder interface {
	// Decode never fails as a whole: what is wrong is among the failures. Received
	// stands in where an event has no time, or one that cannot be.
	Decode(body []byte, received time.Time) Batch
	// Count says how many events a body holds; at least 1.
	Count(body []byte) int
}

// New returns the decoder of an AlertSource. The error names each field that is wrong.
func New(spec *v1alpha1.AlertSourceSpec) (Decoder, error) {
	switch spec.Format {
	case v1alpha1.FormatFalco:
		return falco{}, nil
	case v1alpha1.FormatKubernetesAudit:
		return audit{}, nil
	case v1alpha1.FormatGeneric:
		if spec.Mapping == nil {
			return nil, errors.New("spec.mapping: must be set for format Generic")
		}
		return newMapping(spec.Mapping)
	}
	return nil, fmt.Errorf("spec.format: %q: expected Falco, KubernetesAudit or Generic", spec.Format)
}

// defaultWindow of AlertSources that set none.
const defaultWindow = time.Hour

// Window is the time within which an event of an AlertSource is a repeat of the one before.
func Window(spec *v1alpha1.AlertSourceSpec) (time.Duration, error) {
	w := spec.DeduplicationWindow
	switch {
	case w == nil:
		return defaultWindow, nil
	case w.Duration < 0:
		return defaultWindow, fmt.Errorf("spec.deduplicationWindow: %s: must not be negative", w.Duration)
	}
	return w.Duration, nil
}

// Digest is the hex SHA-256 of an event's JSON.
func Digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Keep keeps the JSON of an event that an alert was made of, and returns its digest.
func (b *Batch) Keep(raw []byte) string {
	if b.Raw == nil {
		b.Raw = map[string][]byte{}
	}
	digest := Digest(raw)
	b.Raw[digest] = raw
	return digest
}

// add takes in an alert with the event that it was made of.
func (b *Batch) add(spec v1alpha1.AlertSpec, raw []byte) {
	spec.RawDigest = b.Keep(raw)
	b.Alerts = append(b.Alerts, spec)
}

func whole(body []byte, err error) Batch {
	return Batch{Failures: []Failure{{Body: body, Class: ClassFormat, Err: err}}}
}

// plain decodes into plain JSON values. A number that no float64 can hold is null:
// whoever writes one into a patch must not hide the whole event behind it.
func plain(data []byte, into any) error {
	err := json.Unmarshal(data, into)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && strings.HasPrefix(wrong.Value, "number ") {
		return nil
	}
	return err
}

// unmarshal keeps numbers as they were written. The error names the field.
func unmarshal(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	err := d.Decode(into)
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	field := wrong.Field
	if field == "" {
		field = "(root)"
	}
	expected, ok := map[reflect.Kind]string{reflect.Struct: "object", reflect.Map: "object", reflect.Slice: "list"}[wrong.Type.Kind()]
	if !ok {
		expected = wrong.Type.Kind().String()
	}
	return fmt.Errorf("%s: expected %s, not %s", field, expected, wrong.Value)
}
