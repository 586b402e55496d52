// A declaration of Config for headers that only take one by reference.
#pragma once

namespace postwain::config {
struct Config;
}
