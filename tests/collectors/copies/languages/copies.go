// Nine copies of 1 MiB by Go's own memmove, which is not libc's.
package main

import "fmt"

func main() {
	source := make([]byte, 1<<20)
	for i := range source {
		source[i] = 7
	}
	target := make([]byte, 1<<20)
	sum := 0
	for i := 0; i < 9; i++ {
		copy(target, source)
		sum += int(target[i])
	}
	fmt.Println(sum)
}
