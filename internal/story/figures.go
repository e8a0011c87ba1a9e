package story

import (
	"fmt"
	"math"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
)

// decibans of centibans (tenths of a deciban), as people read them: +30.6.
func decibans(centibans int32) string {
	if centibans == 0 {
		return "0"
	}
	return fmt.Sprintf("%+.1f", float64(centibans)/10)
}

// probability of log-odds in centibans.
func probability(centibans int32) float64 {
	return 1 / (1 + math.Pow(10, -float64(centibans)/100))
}

// percent of a probability, with as many digits as tell it from 0 and 1.
func percent(p float64) string { return fmt.Sprintf("%.1f %%", 100*p) }

func permille(p int32) string { return percent(float64(p) / 1000) }

// span is a duration as people say it: 0.4s, 2m14s, 3h.
func span(d time.Duration) string {
	d = max(d, 0)
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return duration.HumanDuration(d)
}

func (s Style) since(t time.Time) string { return span(s.Now.Sub(t)) }

// age is for tables: whole seconds at least, as kubectl shows ages.
func (s Style) age(t time.Time) string { return duration.HumanDuration(max(s.Now.Sub(t), 0)) }

const (
	clockFormat = "15:04:05"
	dayFormat   = "2006-01-02"
)

// clock is a time of day, with the day where it is not today.
func (s Style) clock(t time.Time) string {
	t, today := t.In(s.Zone), s.Now.In(s.Zone).Format(dayFormat)
	switch t.Format(dayFormat) {
	case today:
		return t.Format(clockFormat)
	case s.Now.In(s.Zone).AddDate(0, 0, 1).Format(dayFormat):
		return t.Format(clockFormat) + " tomorrow"
	}
	return t.Format(dayFormat + " " + clockFormat)
}

// count is a number of things.
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
