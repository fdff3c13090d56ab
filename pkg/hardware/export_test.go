package hardware

// What tests outside of the package need to read the machines of testdata.
var (
	Machine  = machine
	Machines = machines
	Arch     = arch
)
