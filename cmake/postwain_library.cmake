# postwain_library(NAME [ROOMS x y] LINKS a b c): a static library of all *.cc in the current folder except
# main.cc; or of those of its rooms, which are folders below it ("." is the folder itself).
# postwain_program(NAME LINKS a b c): a program of main.cc.
# Every folder is one library; what it may link is written in its own CMakeLists.txt and is the rule of
# floors in force.
set(POSTWAIN_PCH <string> <string_view> <vector> <map> <unordered_map> <memory> <functional>
                 <optional> <variant> <chrono> <span> <array> <deque> <algorithm> <fmt/format.h>)

# Sources that are compiled together; about the point beyond which two cores wait for the last one.
set(POSTWAIN_UNITY_BATCH 20)

add_library(pw_pch_source OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cc)
target_link_libraries(pw_pch_source PUBLIC fmt::fmt)
target_precompile_headers(pw_pch_source PRIVATE ${POSTWAIN_PCH})

function(postwain_library name)
  cmake_parse_arguments(ARG "" "" "ROOMS;LINKS" ${ARGN})
  if(NOT ARG_ROOMS)
    set(ARG_ROOMS .)
  endif()
  list(TRANSFORM ARG_ROOMS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE patterns)
  list(TRANSFORM patterns APPEND /*.cc)
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  if(NOT sources)
    set(sources ${CMAKE_SOURCE_DIR}/cmake/pch.cc)
  endif()
  add_library(${name} STATIC ${sources})
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_LINKS} fmt::fmt)
  target_precompile_headers(${name} REUSE_FROM pw_pch_source)
  postwain_unity(${name})
endfunction()

# With POSTWAIN_UNITY the sources of the library are compiled in batches.
function(postwain_unity name)
  if(POSTWAIN_UNITY)
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE BATCH
                          UNITY_BUILD_BATCH_SIZE ${POSTWAIN_UNITY_BATCH})
  endif()
endfunction()

function(postwain_program name)
  cmake_parse_arguments(ARG "" "" "LINKS" ${ARGN})
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/main.cc)
    return()
  endif()
  add_executable(${name} ${CMAKE_CURRENT_SOURCE_DIR}/main.cc)
  target_link_libraries(${name} PRIVATE ${ARG_LINKS})
  target_precompile_headers(${name} REUSE_FROM pw_pch_source)
  install(TARGETS ${name} RUNTIME DESTINATION lib/postwain)
endfunction()
