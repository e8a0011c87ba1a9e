package main

import (
	"net/url"
	"slices"

	"github.com/tocsin-dev/tocsin/internal/check"
	"github.com/tocsin-dev/tocsin/internal/lint"
)

// The part of SARIF 2.1.0 by which findings appear beside the lines of a change.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               check.Rule   `json:"id"`
		ShortDescription sarifMessage `json:"shortDescription"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    check.Rule      `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     check.Level     `json:"level"`
		Message   sarifMessage    `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		PhysicalLocation sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		ArtifactLocation sarifArtifact `json:"artifactLocation"`
		Region           sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
)

func sarif(report lint.Report) sarifLog {
	driver := sarifDriver{Name: "kubectl-soc", Version: version}
	var ids []check.Rule
	for _, r := range check.Rules {
		driver.Rules = append(driver.Rules, sarifRule{ID: r.Rule, ShortDescription: sarifMessage{r.About}})
		ids = append(ids, r.Rule)
	}
	results := []sarifResult{}
	for _, f := range report.Findings {
		text := f.Message
		if f.Path != "" {
			text = f.Path + ": " + text
		}
		results = append(results, sarifResult{
			RuleID: f.Rule, RuleIndex: slices.Index(ids, f.Rule), Level: f.Level, Message: sarifMessage{text},
			Locations: []sarifLocation{{sarifPhysical{
				ArtifactLocation: sarifArtifact{(&url.URL{Path: f.File}).String()},
				Region:           sarifRegion{f.Line},
			}}},
		})
	}
	return sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{{Tool: sarifTool{driver}, Results: results}},
	}
}
