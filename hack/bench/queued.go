package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

// queuedAlerts of little severity are waiting when the worst comes.
const queuedAlerts = 10_000

// queued posts a backlog of alerts of little severity and then a Critical one, and
// waits for the verdict on that.
func (b *bench) queued(ctx context.Context) error {
	if err := b.audit.Skip(); err != nil {
		return err
	}
	err := together(ctx, queuedAlerts, func(ctx context.Context, i int) error {
		return b.senders.post(ctx, "falco", falco(reading, numbered("queued", i)))
	})
	if err != nil {
		return err
	}
	posted := time.Now()
	if err := b.senders.post(ctx, "falco", falco(miner, "worst")); err != nil {
		return err
	}
	var told time.Time
	before := 0
	err = lab.Eventually(ctx, 5*time.Minute, "the verdict on the worst alert", func(context.Context) (bool, string, error) {
		requests, err := b.audit.Since()
		if err != nil {
			return false, "", err
		}
		before = 0
		for _, r := range requests {
			if r.Object.Resource != "alerts" || r.Object.Subresource != "status" || r.Status.Code >= 300 {
				continue
			}
			if strings.HasPrefix(r.Object.Name, "detect-outbound") {
				told = r.Answered.Time
				return true, "", nil
			}
			before++
		}
		return false, fmt.Sprintf("%d others have theirs", before), nil
	})
	if err != nil {
		return err
	}
	b.figures.set("worst_behind_10k_s", told.Sub(posted).Seconds())
	b.note("%d of %d alerts had their verdict before it", before, queuedAlerts)
	return nil
}
