#include "filter/strangers/list_questions.h"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace postwain::filter {

void ask_test(ListPort& port, const config::DnsList& list,
              std::function<void(const ListTestAnswers&)> done) {
  struct Test {
    config::DnsList list;
    std::function<void(const ListTestAnswers&)> done;
    ListTestAnswers answers;
    std::size_t open;
  };
  ListTest names = test_of(list);
  auto test = std::make_shared<Test>(
      Test{list,
           std::move(done),
           {std::vector<ListVerdict>(names.listed.size(), ListVerdict::silent),
            std::vector<ListVerdict>(names.not_listed.size(), ListVerdict::silent)},
           names.listed.size() + names.not_listed.size()});
  auto ask_one = [&](const std::string& name, bool is_listed, std::size_t at) {
    port.ipv4(name, [test, is_listed, at](const dns::AddressAnswer& answer) {
      (is_listed ? test->answers.listed : test->answers.not_listed)[at] =
          read_list_answer(test->list, answer.status, answer.addresses);
      if (--test->open == 0) test->done(test->answers);
    });
  };
  for (std::size_t i = 0; i < names.listed.size(); ++i) ask_one(names.listed[i], true, i);
  for (std::size_t i = 0; i < names.not_listed.size(); ++i) ask_one(names.not_listed[i], false, i);
}

}  // namespace postwain::filter
