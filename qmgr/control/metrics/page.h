// A page of metrics as it grows, in the exposition format of Prometheus (text, version 0.0.4).
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "qmgr/shared/metrics.h"
#include "qmgr/store/queue_counts.h"

namespace postwain::qmgr {

// As a label's value: quotes and backslashes escaped, lines joined.
std::string escaped_label(std::string_view text);

class MetricsPage {
 public:
  // Begins a metric, of which the values below are. type: counter, gauge, histogram.
  void metric(const char* name, const char* type, const char* help);
  template <class Number>
  void value(Number number) {
    out_ += fmt::format("{} {}\n", name_, number);
  }
  template <class Number>
  void value(const char* label, std::string_view of, Number number) {
    out_ += fmt::format("{}{{{}=\"{}\"}} {}\n", name_, label, escaped_label(of), number);
  }
  // labels: "filter=\"a\",state=\"open\"".
  template <class Number>
  void labelled(const std::string& labels, Number number) {
    out_ += fmt::format("{}{{{}}} {}\n", name_, labels, number);
  }
  // A metric with one value.
  template <class Number>
  void one(const char* name, const char* type, const char* help, Number number) {
    metric(name, type, help);
    value(number);
  }
  // labels: "" or "stage=\"mail\"".
  void buckets(const Histogram& h, const std::string& labels = {});
  void histogram(const char* name, const char* help, const Histogram& h);
  void group(const Counts::Group& group);

  std::string take() { return std::move(out_); }

 private:
  std::string out_;
  std::string name_;
};

}  // namespace postwain::qmgr
