#include "postwain/dns_check/finding_json.h"

#include <string>

#include <nlohmann/json.hpp>

namespace postwain::tool {

nlohmann::ordered_json to_json(const std::vector<DnsFinding>& findings) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const DnsFinding& one : findings) {
    nlohmann::ordered_json object = {{"about", one.about},
                                     {"what", std::string(one.what)},
                                     {"level", std::string(name_of(one.level))},
                                     {"text", one.text}};
    if (!one.publish.empty()) object["publish"] = one.publish;
    list.push_back(std::move(object));
  }
  return list;
}

}  // namespace postwain::tool
