package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"text/tabwriter"
)

// target of a figure: at most so much, or at least.
type target struct {
	value   float64
	atLeast bool
}

func atMost(v float64) *target  { return &target{value: v} }
func atLeast(v float64) *target { return &target{value: v, atLeast: true} }

// targets of design section 8. A figure without one is context.
var targets = map[string]*target{
	"writes_per_alert":    atMost(5),
	"writes_per_repeat":   atMost(0.01),
	"react_p50_ms":        atMost(100),
	"react_p99_ms":        atMost(500),
	"react_1s_p50_ms":     atMost(100),
	"react_1s_p99_ms":     atMost(500),
	"closed_ratio":        atLeast(0.6),
	"ingest_ratio":        atLeast(0.7),
	"detect_events_per_s": atLeast(20000),
	"policy_decision_us":  atMost(200),
	"verdict_us":          atMost(1000),
	"rss_idle_mb":         atMost(150),
	"rss_mb":              atMost(500),
}

// figures are what was measured, in the order of measuring.
type figures struct {
	names  []string
	values map[string]float64
}

func newFigures() *figures { return &figures{values: map[string]float64{}} }

func (f *figures) set(name string, value float64) {
	fmt.Fprintf(os.Stderr, "       %s %s\n", name, number(value))
	if _, known := f.values[name]; !known {
		f.names = append(f.names, name)
	}
	f.values[name] = value
}

// print writes a table; those with a target first.
func (f *figures) print(out io.Writer) error {
	names := slices.Clone(f.names)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tmeasured\ttarget\tof target\t")
	for _, name := range names {
		value, t := f.values[name], targets[name]
		if t == nil {
			fmt.Fprintf(w, "%s\t%s\t\t\t\n", name, number(value))
			continue
		}
		bound, verdict := "<= ", ""
		if t.atLeast {
			bound = ">= "
		}
		if t.atLeast != (value >= t.value) && value != t.value {
			verdict = "missed"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.0f %%\t%s\n", name, number(value), bound+number(t.value), 100*value/t.value, verdict)
	}
	return w.Flush()
}

func rank(name string) int {
	if targets[name] != nil {
		return 0
	}
	return 1
}

// number with as many digits as mean something.
func number(v float64) string {
	switch {
	case v == 0 || v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// write writes flat JSON.
func (f *figures) write(path string) error {
	raw, err := json.MarshalIndent(f.values, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o644)
}
