package api

import "strings"

// hiddenSecrets reports secrets that are only what is shown in their place: of a
// configuration that was printed, copied and given to a node. In the fields that
// nodeadm has it is a warning, since nodeadm takes any text.
func (c *checker) hiddenSecrets() {
	c.m.walk(func(path string, n *node, _ schema, _ []*node) {
		if !n.secret || n.scalar != redacted {
			return
		}
		const remedy = "write the secret itself; `eksnode config show` leaves secrets out"
		const message = "this stands for a secret where secrets are not shown"
		if strings.HasPrefix(path, "spec.instance.environment") {
			c.warn(n, path, remedy, message)
			return
		}
		c.fail(n, path, remedy, message)
	})
}
