package analyst

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// maxScanned bounds the text of one attribute that is looked at, in bytes; a
// longer one is looked at from both ends.
const maxScanned = 64 << 10

// sway is what people write to talk an analyst, human or model, out of a case. The
// patterns see text folded by squeeze: lower case, letters and digits only.
var sway = []struct {
	pattern *regexp.Regexp
	what    string
}{
	{regexp.MustCompile(`(ignore|disregard|forget|override|bypass)(all|any|the|your|my|these|those|of|every|everything)*(previous|prior|above|earlier|preceding|all|your|system)(the|of|your)*(instruction|prompt|rule|guideline|context|polic|message|command)`), "tells the reader to ignore instructions"},
	{regexp.MustCompile(`(new|updated|real|actual)(system)?(instructions|prompt)(is|are|follow|begin|start)|systemprompt|developermode`), "poses as instructions"},
	{regexp.MustCompile(`(youare|actas|pretendtobe|pretendyouare)(now)?(a|an|the|my)?(ai|assistant|analyst|languagemodel|llm|chatbot|security|soc|helpful)`), "addresses a model"},
	{regexp.MustCompile(`(approved|authorized|authorised|sanctioned|cleared|signedoff|whitelisted|allowlisted|permitted|requested)by(the|our|your|my)*(security|soc|ciso|secops|infosec|blueteam|itteam|admin|management|analyst|tocsin|oncall|incidentresponse|complianceteam)`), "claims an approval"},
	{regexp.MustCompile(`(thisis|itis|its|partof|during)(a|an|the|just|only|our|my)*(authorized|authorised|approved|planned|scheduled|expected|legitimate|sanctioned|routine)(security)?(test|pentest|penetrationtest|redteam|exercise|maintenance|activity|change|scan|drill|operation|behavio)`), "claims to be expected"},
	{regexp.MustCompile(`(authorized|authorised|approved|sanctioned)(security)?(pentest|penetrationtest|redteam|test|exercise)`), "claims to be expected"},
	{regexp.MustCompile(`(close|dismiss|resolve|suppress)(this|the|that|my|all)*(case|alert|incident|investigation|ticket|finding)|(ignore|drop|discard|delete|skip)(this|the|that|my)(case|alert|incident|investigation|ticket|finding)`), "asks to close the case"},
	{regexp.MustCompile(`falsepositive|benignpositive|falsealarm|(verdict|classification|grade|conclusion)(is|as|to|equals|shouldbe|mustbe)*(benign|harmless|safe|informational|clean)|(mark|marked|classify|classified|treat|report|grade|rate)(this|it|as|the|alert|a)*(benign|harmless|safe|informational|clean|legitimate)`), "states a verdict"},
	{regexp.MustCompile(`(donot|dont|never|noneedto)(alert|escalate|investigate|isolate|report|flag|quarantine|contain|raise)`), "asks for no response"},
}

// marker is text that separates roles in the prompts of models.
var marker = regexp.MustCompile(`<\|[a-z_]{1,32}\|>|\[/?inst\]|<</?sys>>|</?(system|assistant|instructions?)>|(^|\n)\s*#{2,}\s*(system|instructions?|assistant)\b|(^|\n)\s*(system|assistant|human|developer)\s*:\s`)

// Injection looks for attempts to sway the verdict in texts that an attacker may
// have written, by name, and returns a reason for each attempt, sorted by name.
// Innocent text that is taken for one costs a human's look, no more.
func Injection(texts map[string]string) []string {
	var reasons []string
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		for _, why := range attempts(texts[name]) {
			reasons = append(reasons, fmt.Sprintf("%s %s", Plain(name, 64), why))
		}
	}
	return reasons
}

func attempts(text string) []string {
	if len(text) > maxScanned {
		text = text[:maxScanned/2] + text[len(text)-maxScanned/2:]
	}
	var found []string
	add := func(why string) {
		if !slices.Contains(found, why) {
			found = append(found, why)
		}
	}
	if hidden(text) {
		add("holds invisible or reordering characters")
	}
	folded := fold(text)
	if mixedAlphabets(folded) {
		add("mixes alphabets within a word")
	}
	if marker.MatchString(folded) {
		add("holds the role markers of a prompt")
	}
	squeezed := squeeze(folded)
	for _, s := range sway {
		if s.pattern.MatchString(squeezed) {
			add(s.what)
		}
	}
	return found
}

// hidden: zero-width, bidirectional and tag characters, which no honest event needs.
func hidden(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) })
}

// fold makes look-alikes alike: compatibility forms (NFKC) in lower case,
// without the characters that cannot be seen.
func fold(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) {
			return -1
		}
		return r
	}, text)
	return strings.ToLower(norm.NFKC.String(text))
}

// lookAlike are letters of other alphabets that are drawn like Latin ones.
var lookAlike = map[rune]rune{
	'а': 'a', 'в': 'b', 'с': 'c', 'е': 'e', 'ё': 'e', 'һ': 'h', 'і': 'i', 'ї': 'i', 'ј': 'j', 'к': 'k', 'м': 'm', 'н': 'h', 'о': 'o', 'р': 'p', 'ѕ': 's', 'т': 't', 'у': 'y', 'х': 'x', 'ԁ': 'd', 'ԛ': 'q', 'ԝ': 'w', 'ӏ': 'l',
	'α': 'a', 'β': 'b', 'ε': 'e', 'η': 'n', 'ι': 'i', 'κ': 'k', 'ν': 'v', 'ο': 'o', 'ρ': 'p', 'σ': 'o', 'τ': 't', 'υ': 'u', 'χ': 'x', 'ω': 'w', 'ı': 'i', 'ɑ': 'a', 'ɡ': 'g',
}

// squeeze leaves letters and digits only, drawn as Latin ones where they look so,
// so that spacing, punctuation and accents hide nothing.
func squeeze(folded string) string {
	return strings.Map(func(r rune) rune {
		if latin, ok := lookAlike[r]; ok {
			return latin
		}
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, norm.NFD.String(folded))
}

// mixedAlphabets: a word that mixes Latin letters with ones that look like them; the μ of units is none.
func mixedAlphabets(folded string) bool {
	words := strings.FieldsFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) })
	return slices.ContainsFunc(words, func(word string) bool {
		return strings.ContainsFunc(word, func(r rune) bool { return r < unicode.MaxASCII }) &&
			strings.ContainsFunc(word, func(r rune) bool { return r != 'μ' && unicode.In(r, unicode.Cyrillic, unicode.Greek) })
	})
}
