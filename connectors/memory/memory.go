// Package memory answers questions from what Tocsin itself remembers of one namespace.
package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/activity"
	"github.com/tocsin-dev/tocsin/internal/archive"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// History knows how a rule's earlier cases were graded.
type History interface {
	// RuleHistory of a rule in a namespace without the grade of one case; the zero value if it never fired.
	RuleHistory(ctx context.Context, namespace, rule, except string) (archive.RuleHistory, error)
}

// Automation knows which identities are declared as automation.
type Automation interface {
	// KnownAutomation declared in a namespace.
	KnownAutomation(ctx context.Context, namespace string) ([]v1alpha1.KnownAutomation, error)
}

// Memory is the connector "memory" of one namespace.
type Memory struct {
	namespace  string
	activity   *activity.Memory
	history    History
	automation Automation
	now        func() time.Time
}

var _ connectors.Asker = (*Memory)(nil)

// New returns the connector of a namespace. now tells how old grades are, and the default of related-events' since.
func New(namespace string, remembered *activity.Memory, history History, automation Automation, now func() time.Time) *Memory {
	return &Memory{namespace: namespace, activity: remembered, history: history, automation: automation, now: now}
}

// Operations implements connectors.Connector.
func (m *Memory) Operations() []operation.Operation { return operations }

// Check implements connectors.Connector: memory is always there.
func (m *Memory) Check(context.Context) error { return nil }

// Ask implements connectors.Asker.
func (m *Memory) Ask(ctx context.Context, name string, arguments map[string]any) (map[string]any, error) {
	o, err := connectors.Find(m, name)
	if err != nil {
		return nil, err
	}
	if err := o.ValidateArguments(arguments); err != nil {
		return nil, fmt.Errorf("%w: %w", connectors.ErrInvalid, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return asks[name](ctx, m, arguments)
}
