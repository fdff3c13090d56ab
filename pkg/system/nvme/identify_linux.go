package nvme

import (
	"errors"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// The call and the command, of the kernel's linux/nvme_ioctl.h and of the NVM Express
// base specification: Identify, and its CNS for the controller's own data structure.
const (
	ioctlAdminCommand  = 0xC0484E41
	opcodeIdentify     = 0x06
	identifyController = 1
)

// adminCommand is struct nvme_passthru_cmd of linux/nvme_ioctl.h.
type adminCommand struct {
	opcode, flags          uint8
	_                      uint16
	namespace, cdw2, cdw3  uint32
	metadata, address      uint64
	metadataLength, length uint32
	cdw10, cdw11, cdw12    uint32
	cdw13, cdw14, cdw15    uint32
	timeoutMillis, result  uint32
}

// ask sends Identify to the controller of a device file. The file is opened for
// reading: the command changes nothing.
func ask(file string) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	page := make([]byte, hardware.NVMeIdentifySize)
	// The kernel finds the page by a number, so it must stay where it is.
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&page[0])
	command := adminCommand{
		opcode:  opcodeIdentify,
		address: uint64(uintptr(unsafe.Pointer(&page[0]))),
		length:  uint32(len(page)),
		cdw10:   identifyController,
	}
	for {
		status, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), ioctlAdminCommand, uintptr(unsafe.Pointer(&command)))
		switch {
		case errno == unix.EINTR:
		case errno != 0:
			return nil, os.NewSyscallError("ioctl NVME_IOCTL_ADMIN_CMD", errno)
		case status != 0:
			return nil, errors.New("the controller refused the command Identify")
		default:
			return page, nil
		}
	}
}
