// Says that it runs, and waits until its stdin is closed.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	os.Exit(7)
}
