package decode

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// audit decodes what the API server's audit webhook sends: an audit.k8s.io/v1
// EventList. A single Event is taken as well.
type audit struct{}

const auditVersion = "audit.k8s.io/v1"

type auditList struct {
	Kind       string            `json:"kind"`
	APIVersion string            `json:"apiVersion"`
	Items      []json.RawMessage `json:"items"`
}

// Count implements Decoder.
func (audit) Count(body []byte) int {
	var list auditList
	_ = unmarshal(body, &list) // Decode tells.
	return max(1, len(list.Items))
}

// Decode implements Decoder.
func (audit) Decode(body []byte, received time.Time) Batch {
	var list auditList
	if err := unmarshal(body, &list); err != nil {
		return whole(body, fmt.Errorf("audit event list: %w", err))
	}
	if list.APIVersion != auditVersion {
		return whole(body, fmt.Errorf("apiVersion: %q: expected %s", list.APIVersion, auditVersion))
	}
	switch list.Kind {
	case "EventList":
	case "Event":
		list.Items = []json.RawMessage{body}
	default:
		return whole(body, fmt.Errorf("kind: %q: expected EventList or Event", list.Kind))
	}
	var batch Batch
	for i, raw := range list.Items {
		event, err := auditEvent(raw, received)
		if err != nil {
			batch.Failures = append(batch.Failures, Failure{Body: raw, Class: ClassFormat, Err: fmt.Errorf("items[%d].%w", i, err)})
			continue
		}
		batch.Events = append(batch.Events, event)
	}
	return batch
}

// auditEvent demands what rules and memory lean on. There is no objectRef in an
// event about a URL that is no resource.
func auditEvent(raw []byte, received time.Time) (Event, error) {
	var object map[string]any
	if err := plain(raw, &object); err != nil || object == nil {
		return Event{}, errors.New("(root): expected an object")
	}
	for _, name := range []string{"auditID", "verb"} {
		if s, ok := object[name].(string); !ok || s == "" {
			return Event{}, fmt.Errorf("%s: must be a non-empty string", name)
		}
	}
	if _, ok := object["user"].(map[string]any); !ok {
		return Event{}, errors.New("user: must be an object")
	}
	if ref, found := object["objectRef"]; found {
		if _, ok := ref.(map[string]any); !ok {
			return Event{}, errors.New("objectRef: must be an object where it is set")
		}
	}
	stamp, _ := object["requestReceivedTimestamp"].(string)
	at, _ := time.Parse(time.RFC3339Nano, stamp)
	return Event{Object: object, At: plausible(at, received), Raw: raw}, nil
}
