package console

// flags has nothing for Windows, which has no console device.
const flags = 0
