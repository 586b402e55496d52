#include "qmgr/control/metrics/page.h"

#include <algorithm>
#include <cstdint>

namespace postwain::qmgr {

std::string escaped_label(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

void MetricsPage::metric(const char* name, const char* type, const char* help) {
  name_ = name;
  out_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void MetricsPage::buckets(const Histogram& h, const std::string& labels) {
  std::string more = labels.empty() ? labels : labels + ",";
  std::string all = labels.empty() ? labels : "{" + labels + "}";
  for (std::size_t i = 0; i < h.bounds().size(); ++i)
    out_ += fmt::format("{}_bucket{{{}le=\"{}\"}} {}\n", name_, more, h.bounds()[i], h.at_most(i));
  out_ += fmt::format("{}_bucket{{{}le=\"+Inf\"}} {}\n{}_sum{} {}\n{}_count{} {}\n", name_, more,
                      h.count(), name_, all, h.sum(), name_, all, h.count());
}

void MetricsPage::histogram(const char* name, const char* help, const Histogram& h) {
  metric(name, "histogram", help);
  buckets(h);
}

void MetricsPage::group(const Counts::Group& group) {
  out_ += fmt::format("{}{{route=\"{}\",class=\"{}\",state=\"{}\"}} {}\n", name_,
                      escaped_label(group.route_label), name_of(group.traffic_class),
                      name_of(group.state), std::max<std::int64_t>(0, group.recipients));
}

}  // namespace postwain::qmgr
