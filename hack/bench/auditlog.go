package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

// settled returns the requests once there was no further write for a while; leases
// are renewed for ever.
func (b *bench) settled(ctx context.Context) ([]lab.Request, error) {
	const quiet = 2 * time.Second
	var found []lab.Request
	writes, changed := -1, time.Now()
	err := lab.Eventually(ctx, time.Minute, "the operator to have nothing more to write", func(context.Context) (bool, string, error) {
		var err error
		if found, err = b.audit.Since(); err != nil {
			return false, "", err
		}
		n := 0
		for _, r := range found {
			if r.Write() && r.Object.Resource != "leases" {
				n++
			}
		}
		if n != writes {
			writes, changed = n, time.Now()
		}
		return time.Since(changed) >= quiet, fmt.Sprintf("%d writes", n), nil
	})
	return found, err
}

// tally of requests.
type tally struct{ writes, dryRuns, reads int }

func count(requests []lab.Request) tally {
	var t tally
	for _, r := range requests {
		switch {
		case r.Write():
			t.writes++
		case r.DryRun():
			t.dryRuns++
		default:
			t.reads++
		}
	}
	return t
}

// kinds of requests that meet a condition, the most frequent first.
func kinds(requests []lab.Request, which func(lab.Request) bool) string {
	by := map[string]int{}
	var names []string
	for _, r := range requests {
		if !which(r) {
			continue
		}
		if by[r.What()] == 0 {
			names = append(names, r.What())
		}
		by[r.What()]++
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(by[b]-by[a], strings.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", by[name], name)
	}
	return strings.Join(names, ", ")
}
