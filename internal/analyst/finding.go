package analyst

import "github.com/tocsin-dev/tocsin/api/v1alpha1"

// Finding is what an answer means, before it is weighed.
type Finding struct {
	// Question whose answer it comes from, or "alert".
	Question string
	// Alert that it is about, by name; empty if it is about the whole case.
	Alert string
	// Text in words, for people.
	Text string
	// Provenance: who could have written what it rests on.
	Provenance v1alpha1.Provenance
	// Group: of findings in the same group only the strongest counts. Empty: alone.
	Group string
	// Decibans claimed, before floor, cap and grouping.
	Decibans int32
	// Suggests which benign verdict an exculpatory finding speaks for; empty for none.
	Suggests v1alpha1.Verdict
}
