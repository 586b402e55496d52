#include "common/agent/signing/content_form.h"

namespace postwain::agent {

void ContentForm::note_end(std::size_t before, std::string_view out) {
  if (out.size() > before) ended_ = out.back() == '\n';
}

void ContentForm::take(std::string_view content, std::string& out) {
  std::size_t before = out.size();
  if (patch_ && seven_bit_) {
    patched_.clear();
    patch_->take(content, patched_);
    seven_bit_->convert(patched_, out);
  } else if (patch_) {
    patch_->take(content, out);
  } else if (seven_bit_) {
    seven_bit_->convert(content, out);
  } else {
    out += content;
  }
  note_end(before, out);
}

void ContentForm::finish(std::string& out) {
  std::size_t before = out.size();
  if (patch_ && seven_bit_) {
    patched_.clear();
    patch_->finish(patched_);
    seven_bit_->convert(patched_, out);
  } else if (patch_) {
    patch_->finish(out);
  }
  if (seven_bit_) seven_bit_->finish(out);
  note_end(before, out);
  if (end_line_ && !ended_) out += "\r\n";
}

}  // namespace postwain::agent
