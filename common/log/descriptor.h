// Apart from log.h, for who starts a process and nobody else.
#pragma once

namespace postwain::log {

// Lines for standard error go to this descriptor from now on, and what libraries print there stays
// apart from them. Before the first line.
void use_descriptor(int fd);

}  // namespace postwain::log
