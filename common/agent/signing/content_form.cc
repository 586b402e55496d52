#include "common/agent/signing/content_form.h"

namespace postwain::agent {

void ContentForm::take(std::string_view content, std::string& out) {
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
}

void ContentForm::finish(std::string& out) {
  if (patch_ && seven_bit_) {
    patched_.clear();
    patch_->finish(patched_);
    seven_bit_->convert(patched_, out);
  } else if (patch_) {
    patch_->finish(out);
  }
  if (seven_bit_) seven_bit_->finish(out);
}

}  // namespace postwain::agent
