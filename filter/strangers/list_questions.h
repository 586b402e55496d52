// The health test of a DNS list (RFC 5782 5), asked once. Who asks makes of the answers what a
// ListHealth says.
#pragma once

#include <functional>
#include <vector>

#include "filter/deciding/list_answer.h"
#include "filter/strangers/list_port.h"

namespace postwain::filter {

// In the order of ListTest's questions.
struct ListTestAnswers {
  std::vector<ListVerdict> listed;
  std::vector<ListVerdict> not_listed;
};

// done is called once, when all answers are there: at once or later, also after who asked is gone.
// The port outlives that.
void ask_test(ListPort& port, const config::DnsList& list,
              std::function<void(const ListTestAnswers&)> done);

}  // namespace postwain::filter
