# Compiler settings, the same for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
# Everything is linked into position-independent executables; there is no shared library. With -fPIC GCC
# would not inline functions that another library could replace. Libraries and programs are compiled with
# the same flag, because only then they can share the precompiled header.
set(CMAKE_POSITION_INDEPENDENT_CODE OFF)
add_compile_options(-fPIE)
add_link_options(-pie)

option(POSTWAIN_TESTS "build the tests" ON)
# A compiler that is newer than ours may warn of what ours does not: that ends the build of those who
# develop Postwain, and of CI, but not of those who only want to run it.
option(POSTWAIN_WERROR "a warning is an error" OFF)
# Many sources of one library compiled as one: most of the time goes into reading headers. Presets
# for whoever compiles everything once set it; a developer's builds compile what changed alone.
option(POSTWAIN_UNITY "compile the sources of a library together" OFF)
option(POSTWAIN_FUZZ "build the libFuzzer targets (needs clang)" OFF)
set(POSTWAIN_SANITIZE "" CACHE STRING "sanitizers, e.g. address,undefined")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
# Assertions of ours (PW_CHECK) stay on in every build; -g1 keeps stack traces without the size of
# full debug data.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")
# For a first look: the compiler optimises little and so needs a third less time (bench/RESULTS.md).
set(CMAKE_CXX_FLAGS_DEMO "-Og")

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wswitch
                    -fstack-protector-strong -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports false positives of these two from inside <string> and <variant> at -O2.
  add_compile_options(-Wno-restrict -Wno-maybe-uninitialized)
  if(POSTWAIN_UNITY)
    # In a batch every source is an included file, of which GCC thinks that others include it, too.
    add_compile_options(-Wno-subobject-linkage)
  endif()
endif()
if(POSTWAIN_WERROR)
  add_compile_options(-Werror)
endif()
add_compile_definitions(_GLIBCXX_ASSERTIONS)
if(NOT POSTWAIN_SANITIZE)
  add_compile_definitions($<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>)
else()
  add_compile_options(-fsanitize=${POSTWAIN_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${POSTWAIN_SANITIZE})
endif()
add_link_options(-Wl,-z,relro,-z,now)
if(POSTWAIN_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # coverage for libFuzzer
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(IDN2 REQUIRED IMPORTED_TARGET libidn2)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
# Its -pthread means nothing to glibc, but what is compiled with it cannot use a precompiled header.
get_target_property(re2_options PkgConfig::RE2 INTERFACE_COMPILE_OPTIONS)
if(re2_options)
  list(REMOVE_ITEM re2_options -pthread)
  set_target_properties(PkgConfig::RE2 PROPERTIES INTERFACE_COMPILE_OPTIONS "${re2_options}")
endif()
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(fmt REQUIRED)
find_package(Threads REQUIRED)
