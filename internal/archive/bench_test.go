package archive

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// BenchmarkRuleHistory reads the history of one rule that fired that often, and a
// hundredth of whose cases were graded: the time should be the same.
func BenchmarkRuleHistory(b *testing.B) {
	for _, alerts := range []int{1000, 10_000, 50_000} {
		b.Run(fmt.Sprint(alerts), func(b *testing.B) {
			a := fresh(b)
			var all []Alert
			for n := range alerts {
				all = append(all, alert(fmt.Sprint("alert-", n), "shell", noon.Add(-time.Duration(n)*time.Second)))
				if n%100 == 0 {
					opened := noon.Add(-time.Duration(n/100%30) * day)
					put(b, a, graded(fmt.Sprint("case-", n), opened, v1alpha1.BenignPositive, "alice"), "shell")
				}
			}
			must(b, a.PutAlerts(b.Context(), all...))
			for b.Loop() {
				if got := history(b, a, "soc", "shell", "case-100"); got.Fired != int64(alerts) {
					b.Fatalf("fired %d times", got.Fired)
				}
			}
		})
	}
}

// BenchmarkPutAlerts stores alerts with events of 2 kB, as many at a time as ingest does.
func BenchmarkPutAlerts(b *testing.B) {
	a := fresh(b)
	b.SetParallelism(16)
	var n atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			one := alert(fmt.Sprint("alert-", i), "shell", noon)
			one.Raw = fmt.Append(nil, i, strings.Repeat(" event", 340))
			must(b, a.PutAlerts(b.Context(), one))
		}
	})
}
