package analyst

import (
	"fmt"
	"slices"
	"strings"
)

// Known tells in lines what other tools know of the pods of a case, from answers of the
// operations "vulnerabilities", "policy-reports" and "network-rules". Names in them are
// quoted, since an attacker may have written them.
func Known(vulnerabilities, policies, network []map[string]any) []string {
	var lines []string
	tell := func(answers []map[string]any, say func(map[string]any) string) {
		for _, a := range answers {
			line := say(a)
			if gaps := items[string](a["gaps"]); len(gaps) > 0 && line != "" {
				line += "; not all could be read: " + quote(gaps[0], 200)
			}
			if pod, ok := a["pod"].(string); ok && line != "" {
				lines = append(lines, "pod "+Plain(pod, 256)+" "+line)
			}
		}
	}
	tell(network, reachable)
	tell(vulnerabilities, vulnerable)
	tell(policies, broken)
	return lines
}

// reachable says whether a pod can reach what is outside of the cluster.
func reachable(a map[string]any) string {
	var line string
	switch a["outside"] {
	case "Open":
		line = "can reach the Internet, as far as policies say"
	case "Limited":
		line = "can reach some of the Internet, as far as policies say"
	case "Closed":
		line = "cannot reach the Internet, if its policies are enforced"
	default:
		line = "may or may not reach the Internet: its policies do not tell"
	}
	switch by := items[string](a["policies"]); {
	case a["hostNetwork"] == true:
		return line + ": it is on the network of its node"
	case a["restricted"] != true:
		return line + ": nothing restricts its egress"
	default:
		return line + ": " + quoted(by, 3)
	}
}

func vulnerable(a map[string]any) string {
	if a["found"] != true {
		return "has no report of vulnerabilities that could be read"
	}
	critical, high := count(a["critical"]), count(a["high"])
	line := fmt.Sprintf("runs with %d critical and %d high vulnerabilities", critical, high)
	if fixable := count(a["fixableCritical"]) + count(a["fixableHigh"]); fixable > 0 {
		line += fmt.Sprintf(", %d of them with a fix", fixable)
	}
	line += fmt.Sprintf(", by a report %d hours old", count(a["ageSeconds"])/3600)
	var named []string
	for _, v := range items[map[string]any](a["worst"]) {
		name := fmt.Sprintf("%v in %v %v", v["id"], v["resource"], v["installedVersion"])
		if fixed, _ := v["fixedVersion"].(string); fixed != "" {
			name += ", fixed in " + fixed
		}
		named = append(named, name)
	}
	if len(named) > 0 {
		line += ": " + quoted(named, 3)
	}
	return line
}

func broken(a map[string]any) string {
	switch {
	case a["found"] != true:
		return "has no report on policies that could be read"
	case count(a["fails"])+count(a["warns"])+count(a["errors"]) == 0:
		return fmt.Sprintf("breaks none of the %d policies that were checked", count(a["passes"]))
	}
	line := fmt.Sprintf("has %d failures of policies, %d warnings and %d errors", count(a["fails"]), count(a["warns"]), count(a["errors"]))
	var named []string
	for _, r := range items[map[string]any](a["results"]) {
		name := fmt.Sprint(r["policy"])
		if rule, _ := r["rule"].(string); rule != "" {
			name += "/" + rule
		}
		if severity, _ := r["severity"].(string); severity != "" {
			name += " (" + severity + ")"
		}
		named = append(named, name)
	}
	if len(named) > 0 {
		line += ": " + quoted(named, 3)
	}
	return line
}

// quoted names the first few, each once.
func quoted(names []string, most int) string {
	var shown []string
	for _, name := range names {
		if q := quote(name, 120); !slices.Contains(shown, q) {
			shown = append(shown, q)
		}
	}
	if len(shown) > most {
		shown = append(shown[:most], fmt.Sprintf("%d more", len(shown)-most))
	}
	return strings.Join(shown, ", ")
}

// items of a list in an answer that are of a type.
func items[T any](value any) []T {
	var found []T
	list, _ := value.([]any)
	for _, item := range list {
		if of, ok := item.(T); ok {
			found = append(found, of)
		}
	}
	return found
}
