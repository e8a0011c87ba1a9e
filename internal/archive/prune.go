package archive

import (
	"context"
	"time"
)

// How long things are kept.
const (
	keepBlobs = 30 * day
	// keepFirings: after it an alert that is put again is not counted.
	keepFirings = 30 * day
	// keepRules that did not fire any more, and of which no case was graded.
	keepRules = 400 * day
	// keepCases and their grades: after ten half-lives a grade weighs a thousandth.
	keepCases = 900 * day
	// maxCases kept, the latest.
	maxCases = 100_000

	// prunedAtOnce bounds how long a write waits.
	prunedAtOnce = 256
)

// Prune forgets what is older than it is kept for. It goes on in small steps, so that
// others can write in between.
func (a *Archive) Prune(ctx context.Context) error {
	now := a.now()
	before := func(keep time.Duration) []any { return []any{micros(now.Add(-keep)), prunedAtOnce} }
	steps := []struct {
		statement string
		arguments []any
	}{
		{pruneBlobs, before(keepBlobs)}, {pruneFired, before(keepFirings)}, {pruneCases, before(keepCases)},
		{pruneOverflow, []any{prunedAtOnce, a.maxCases}}, {pruneGrades, before(keepCases)}, {pruneRules, before(keepRules)},
	}
	for _, step := range steps {
		if err := a.prune(ctx, step.statement, step.arguments); err != nil {
			return err
		}
	}
	return nil
}

// prune repeats a statement until it finds no more.
func (a *Archive) prune(ctx context.Context, statement string, arguments []any) error {
	for {
		var gone int64
		err := a.write(ctx, func(tx *transaction) (err error) {
			gone, err = tx.changed(statement, arguments...)
			return err
		})
		if err != nil || gone == 0 {
			return err
		}
	}
}
