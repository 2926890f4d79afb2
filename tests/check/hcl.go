// SPDX-License-Identifier: Apache-2.0
// hcl FILE...: says whether HashiCorp's own parser takes each; prints blocks as "resource libvirt_domain sluice".
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

func main() {
	for _, path := range os.Args[1:] {
		file, problems := hclparse.NewParser().ParseHCLFile(path)
		if problems.HasErrors() {
			fmt.Fprintln(os.Stderr, problems.Error())
			os.Exit(1)
		}
		for _, block := range file.Body.(*hclsyntax.Body).Blocks {
			fmt.Println(strings.TrimSpace(block.Type + " " + strings.Join(block.Labels, " ")))
		}
	}
}
