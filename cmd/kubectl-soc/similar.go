package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// suggestions that an unknown name gets at most.
const suggestions = 3

// didYouMean names what is close to a name that does not exist.
func didYouMean(name string, known []string) string {
	near := slices.DeleteFunc(slices.Clone(known), func(k string) bool { return distance(name, k) > max(len(name)/2, 2) })
	slices.SortFunc(near, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(name, a), distance(name, b)), cmp.Compare(a, b))
	})
	switch {
	case len(known) == 0:
		return ": there is none at all; is it another namespace? (-n)"
	case len(near) == 0:
		return "; press Tab for the names, or look in another namespace (-n)"
	}
	return "; did you mean " + strings.Join(near[:min(len(near), suggestions)], " or ") + "?"
}

// distance in edits; a part of a name is next to it.
func distance(name, known string) int {
	if len(name) >= suggestions && strings.Contains(known, name) {
		return 1
	}
	return levenshtein.ComputeDistance(name, known)
}
