// Runs a fuzz target once on each file of the folders named: the corpora in every test run, without
// a fuzzer.
#include <dirent.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "common/base/file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  int files = 0;
  for (int i = 1; i < argc; ++i) {
    DIR* folder = opendir(argv[i]);
    if (folder == nullptr) continue;
    while (const dirent* entry = readdir(folder)) {
      std::string path = std::string(argv[i]) + '/' + entry->d_name;
      auto content = postwain::read_small_file(path);
      if (entry->d_name[0] == '.' || !content) continue;
      std::string bytes = content.take();
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
      ++files;
    }
    closedir(folder);
  }
  std::printf("%d files\n", files);
  return files > 0 ? 0 : 1;
}
