package main

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/tocsin-dev/tocsin/internal/lint"
)

// JUnit's report, as far as CI systems agree on it.
type (
	junitSuites struct {
		XMLName  xml.Name      `xml:"testsuites"`
		Tests    int           `xml:"tests,attr"`
		Failures int           `xml:"failures,attr"`
		Suites   []*junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes a suite for each object.
func writeJUnit(w io.Writer, tests lint.Tests) error {
	all := junitSuites{Tests: len(tests.Results), Failures: tests.Failed()}
	suites := map[string]*junitSuite{}
	for _, r := range tests.Results {
		test := junitCase{Class: title(lint.Result{File: r.File, Kind: r.Kind, Name: r.Name}), Name: r.Test, File: r.File, Line: r.Line, Time: fmt.Sprintf("%.6f", r.Took.Seconds())}
		if test.Name == "" {
			test.Name = "is accepted"
		}
		key := r.File + "\x00" + test.Class
		suite := suites[key]
		if suite == nil {
			suite = &junitSuite{Name: test.Class}
			suites[key] = suite
			all.Suites = append(all.Suites, suite)
		}
		suite.Tests++
		if r.Failure != "" {
			suite.Failures++
			test.Failure = &junitFailure{Message: r.Failure, Text: fmt.Sprintf("%s:%d: %s", r.File, r.Line, r.Failure)}
		}
		suite.Cases = append(suite.Cases, test)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
