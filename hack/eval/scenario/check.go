package scenario

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// What a scenario may hold at most, so that a slip of the pen does not play for days.
const (
	longest    = 30 * 24 * time.Hour
	mostBefore = 50000
)

// check finds what a schema cannot say. The error names each field that is wrong.
func (s *Scenario) check() error {
	var errs []error
	wrong := func(field string, n int, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s[%d]%s", field, n, fmt.Sprintf(format, args...)))
	}
	for i, h := range s.History {
		switch {
		case h.Every.Duration <= 0:
			wrong("history", i, ".every: expected more than nothing")
		case h.For.Duration/h.Every.Duration > mostBefore:
			wrong("history", i, ": it comes %d times, expected at most %d", h.For.Duration/h.Every.Duration, mostBefore)
		}
	}
	for i, o := range s.Events {
		if o.Times > 1 && o.Every.Duration <= 0 {
			wrong("events", i, ".every: expected how long after each other it comes %d times", o.Times)
		}
		if o.After.Duration > longest || o.Every.Duration > longest/time.Duration(max(o.Times, 1)) {
			wrong("events", i, ": it ends more than %v after the start", longest)
		}
	}
	for i, fact := range s.Expect.Facts {
		if _, err := regexp.Compile(fact); err != nil {
			wrong("expect.facts", i, ": %v", err)
		}
	}
	return errors.Join(errs...)
}
