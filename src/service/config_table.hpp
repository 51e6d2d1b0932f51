// SPDX-License-Identifier: MIT
// All that a configuration, and an entry of its `pools` or `protect`, may set: the name of each
// key, what a value may be, and where it goes. The defaults are those of the structures.
#pragma once

#include "src/service/config.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace intellisched {

/// Sets a value of T by its text. Returns what is wrong with the text, or "".
template<class T> using Assign = std::function<std::string(T& to, std::string_view text)>;

template<class T> struct Key {
    std::string_view name;
    Assign<T> assign; ///< none: a list
};

/// Of ServiceConfig, PoolConfig or ProtectedGuest.
template<class T> const std::vector<Key<T>>& keys();

/// Null: there is none of that name.
template<class T> const Key<T>* find_key(std::string_view name);

/// What is wrong with a key that there is not.
template<class T> std::string no_such_key(std::string_view name);

} // namespace intellisched
