// Prints what Go makes of the templates on standard input: a JSON list of {template, data}; on standard output the same
// with output, null where Go refuses the template. The functions are sprig's, as External Secrets Operator has them.
package main

import (
	"bytes"
	"encoding/json"
	"os"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

type entry struct {
	Template string            `json:"template"`
	Data     map[string]string `json:"data"`
	Output   *string           `json:"output"`
}

func main() {
	var entries []entry
	if err := json.NewDecoder(os.Stdin).Decode(&entries); err != nil {
		panic(err)
	}
	functions := sprig.TxtFuncMap()
	for at := range entries {
		made, err := template.New("").Option("missingkey=error").Funcs(functions).Parse(entries[at].Template)
		if err != nil {
			continue
		}
		var printed bytes.Buffer
		if made.Execute(&printed, entries[at].Data) != nil {
			continue
		}
		text := printed.String()
		entries[at].Output = &text
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(entries); err != nil {
		panic(err)
	}
}
