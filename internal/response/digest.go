// Package response decides, from values alone, what may become of a planned
// action: which plan an approval binds to, which approvals count, and which
// targets are never touched.
package response

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Change is everything that an approval binds to.
type Change struct {
	// Action by its UID: whoever approves has seen who asks, why, and when it is taken back.
	Action string `json:"action"`
	// Connector by its name in the action's namespace.
	Connector string `json:"connector"`
	// Operation of the connector.
	Operation string `json:"operation"`
	// Arguments as the connector gets them.
	Arguments map[string]any `json:"arguments"`
	// Target with its UID.
	Target v1alpha1.TargetReference `json:"target"`
	// Diff in full, before it is redacted or cut for showing.
	Diff string `json:"diff"`
	// Undo is whether it can be taken back, which may hang on what the diff does not show.
	Undo v1alpha1.OperationUndo `json:"undo"`
}

// Digest returns the hex SHA-256 over the change as JSON with sorted keys. It errs
// if an argument is no JSON value.
func (c Change) Digest() (string, error) {
	if c.Arguments == nil {
		c.Arguments = map[string]any{}
	}
	canonical, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("digest of the plan: arguments must be JSON values: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}
