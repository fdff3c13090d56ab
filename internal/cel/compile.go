package cel

// Check says what is wrong with an expression over the named integer variables
// whatever their values are: its syntax, names that are not there, types that do
// not fit, a result that [Int] cannot convert. What depends on values, such as a
// division by zero, is left to Int. Its errors have a method Column() int, the
// place in characters from 1, and a method Message() string without it.
func Check(text string, variables ...string) error {
	root, err := parse(text)
	if err != nil {
		return err
	}
	types := scope[typ]{}
	for _, name := range variables {
		types = types.with(name, typ{kind: kindInt})
	}
	result, err := check(root, types)
	if err != nil {
		return err
	}
	if !admits(result, kindInt, kindUint, kindDouble, kindString) {
		return problemAt(root.column, "a result of type %s is no number", result)
	}
	return nil
}

// Column is the place in the text, in characters from 1.
func (p *problem) Column() int { return p.column }

// Message is what is wrong, without the place.
func (p *problem) Message() string { return p.message }
