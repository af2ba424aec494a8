//! What the Elixir client could do, here.
//!
//! Spec: none.
//!
//! This project descends from an MTProto client in Elixir (2017, layer 57). All that it offered is
//! here, in the form that Telegram has today; `tests/tests/former_client.rs` checks that every name
//! in the third column exists.
//!
//! | There | Here | Held by |
//! | --- | --- | --- |
//! | config `api_id`, `api_hash` | [`Config::production`](crate::client::Config::production) | `tests/tests/client.rs` |
//! | config `public_key` (PEM) | `RsaPublicKey::from_pem`, `Config::public_keys` | `mtproto-driver/examples/shared/server.rs` |
//! | config `msg_max_retry_count` | `Config::max_retries`, `Config::session.max_retries` | `tests/tests/client.rs` |
//! | schema loaded from JSON, layer by config | [`Options::schema`](crate::client::Options::schema) | `mtproto-tokio/tests/call.rs::another_schema_has_other_names` |
//! | `TL.build` by name | [`Client::invoke_json`](crate::Client::invoke_json) | `tests/tests/client_adapters/calls.rs::a_call_opens_what_it_needs_as_a_type_by_name_or_as_bytes` |
//! | `start`, `connect(dc)` | [`Client::open`](crate::Client::open), [`connect`](crate::Client::connect), `Config::first_dc` | `tests/tests/client_adapters/life.rs::connecting_waits_for_the_servers_proof` |
//! | `request_authkey` | by itself, with the first call | `tests/tests/client_adapters/calls.rs::a_call_opens_what_it_needs_as_a_type_by_name_or_as_bytes` |
//! | `send_code`, `sign_in` (hash remembered) | [`Client::request_code`](crate::Client::request_code), [`NeedsCode::submit`](crate::client::NeedsCode::submit) | `mtproto-tokio/tests/examples.rs::sign_in_asks_until_it_is_right_and_nothing_the_next_time` |
//! | `sign_in` with a hash from elsewhere | [`Client::resume_code`](crate::Client::resume_code) | `mtproto-driver/src/client/sign_in.rs` |
//! | `sign_up` | [`NeedsSignUp::sign_up`](crate::client::NeedsSignUp::sign_up) | `tests/tests/sign_in.rs` |
//! | `auth.sendCall`, `auth.sendSms` | [`NeedsCode::resend`](crate::client::NeedsCode::resend) | `tests/tests/sign_in.rs` |
//! | `auth.checkPhone`, `auth.sendInvites` | no longer in the API; `request_code` tells | `tests/tests/sign_in.rs` |
//! | `sign_out`, `auth.logOut` | [`Client::sign_out`](crate::Client::sign_out) | `tests/tests/sign_in.rs` |
//! | `auth.resetAuthorizations` | [`Client::reset_authorizations`](crate::Client::reset_authorizations) | `tests/tests/client_api/server.rs::the_other_devices_are_signed_out` |
//! | `auth.exportAuthorization`, `importAuthorization` | by itself, with `Route::Dc` | `tests/tests/client.rs` |
//! | `auth.bindTempAuthKey` | by itself, with `Config::pfs` | `tests/tests/session/pfs.rs` |
//! | `send` (encrypted) | [`Client::invoke`](crate::Client::invoke), [`invoke_raw`](crate::Client::invoke_raw) | `tests/tests/client_adapters/calls.rs::a_call_opens_what_it_needs_as_a_type_by_name_or_as_bytes` |
//! | `init_connection`, `invoke_with_layer` | by itself, once for each session | `tests/tests/session/init.rs` |
//! | history of messages, resent on bad salts and ids | by itself; the fate of each call is known | `tests/tests/reconnect.rs` |
//! | notifications `{:tg, session, msg}` | [`Client::updates`](crate::Client::updates), [`events`](crate::Client::events) | `tests/tests/client_api/messages.rs::a_text_goes_to_a_user_to_oneself_to_a_chat_and_to_a_channel` |
//! | values as maps | JSON of [`invoke_json`](crate::Client::invoke_json) | `tests/tests/client_adapters/calls.rs::a_call_opens_what_it_needs_as_a_type_by_name_or_as_bytes` |
//! | `Session.open`, `close`, registry of sessions | [`Accounts`](crate::Accounts) | `tests/tests/accounts.rs::three_accounts_live_beside_each_other_and_come_back_without_signing_in` |
//! | `Session.drop` | [`Accounts::delete`](crate::Accounts::delete) | `tests/tests/accounts.rs::a_deleted_account_is_gone_and_its_name_is_free` |
//! | `Session.export`, `import` | [`Client::export_text`](crate::Client::export_text), [`Accounts::import`](crate::Accounts::import), [`MemorySession::from_text`](crate::MemorySession::from_text) | `tests/tests/session_file.rs::an_account_moves_as_text_from_file_to_memory_to_file` |
//! | several users at once | [`Accounts`](crate::Accounts) | `tests/tests/accounts.rs::three_accounts_live_beside_each_other_and_come_back_without_signing_in` |
//! | reconnecting (planned) | by itself | `tests/tests/client_adapters/life.rs::a_stream_that_breaks_is_replaced_and_its_calls_go_on` |
//! | `DC.get`, `set`, test DCs | [`Client::dcs`](crate::Client::dcs), [`set_dcs`](crate::Client::set_dcs), `Config::test` | `tests/tests/client.rs` |
//! | `messages.sendMessage` (`:contact`, `:chat`) | [`Client::send_message`](crate::Client::send_message) | `tests/tests/client_api/messages.rs::a_text_goes_to_a_user_to_oneself_to_a_chat_and_to_a_channel` |
//! | `messages.sendMedia` | [`Client::send_media`](crate::Client::send_media) | `tests/tests/client_api/messages.rs::a_contact_card_and_a_dice_are_sent_by_reference_with_a_caption` |
//! | `messages.setTyping` | [`Client::set_typing`](crate::Client::set_typing) | `tests/tests/client_api/messages.rs::typing_is_shown_to_the_other` |
//! | `messages.getMessages` | [`Client::messages`](crate::Client::messages) | `tests/tests/client_api/messages.rs::messages_are_forwarded_in_order` |
//! | `messages.getDialogs` | [`Client::dialogs`](crate::Client::dialogs), [`all_dialogs`](crate::Client::all_dialogs) | `tests/tests/client_api/lists.rs::all_dialogs_come_each_once_the_newest_first` |
//! | `messages.getHistory` | [`Client::history`](crate::Client::history), [`all_history`](crate::Client::all_history) | `tests/tests/client_api/lists.rs::a_long_history_comes_page_by_page_each_message_once` |
//! | `messages.search` | [`Client::search`](crate::Client::search), [`all_found`](crate::Client::all_found) | `tests/tests/client_api/lists.rs::words_are_found_in_a_chat` |
//! | `messages.readHistory`, `readMessageContents`, `receivedMessages` | [`Client::read_history`](crate::Client::read_history), [`read_message_contents`](crate::Client::read_message_contents), [`received_messages`](crate::Client::received_messages) | `tests/tests/client_api/messages.rs::reading_is_told_to_the_one_who_wrote` |
//! | `messages.deleteHistory` | [`Client::delete_history`](crate::Client::delete_history) | `tests/tests/client_api/messages.rs::a_whole_history_is_deleted` |
//! | `messages.deleteMessages` | [`Client::delete_messages`](crate::Client::delete_messages) | `tests/tests/client_api/messages.rs::what_is_deleted_for_everyone_is_gone_for_the_other_too` |
//! | `messages.forwardMessage`, `forwardMessages` | [`Client::forward_messages`](crate::Client::forward_messages) | `tests/tests/client_api/messages.rs::messages_are_forwarded_in_order` |
//! | `messages.sendBroadcast` | no longer in the API; `send_message` to each | `tests/tests/client_api/messages.rs::a_text_goes_to_a_user_to_oneself_to_a_chat_and_to_a_channel` |
//! | `messages.getChats`, `getFullChat`, `createChat`, `editChatTitle`, `editChatPhoto`, `addChatUser`, `deleteChatUser` | [`Client::chats`](crate::Client::chats), [`full_chat`](crate::Client::full_chat), [`create_chat`](crate::Client::create_chat), [`edit_title`](crate::Client::edit_title), [`edit_photo`](crate::Client::edit_photo), [`add_user`](crate::Client::add_user), [`remove_user`](crate::Client::remove_user) | `tests/tests/client_api/chats.rs::a_chat_is_made_renamed_joined_and_left` |
//! | `contacts.getContacts`, `getStatuses`, `importContacts`, `deleteContact(s)` | [`Client::contacts`](crate::Client::contacts), [`contact_statuses`](crate::Client::contact_statuses), [`import_contacts`](crate::Client::import_contacts), [`delete_contacts`](crate::Client::delete_contacts) | `tests/tests/client_api/contacts.rs::contacts_are_imported_listed_renamed_and_deleted` |
//! | `contacts.block`, `unblock`, `getBlocked` | [`Client::block`](crate::Client::block), [`unblock`](crate::Client::unblock), [`blocked`](crate::Client::blocked) | `tests/tests/client_api/contacts.rs::who_is_blocked_is_listed_until_unblocked` |
//! | `contacts.search`, `resolveUsername` | [`Client::search_contacts`](crate::Client::search_contacts), [`resolve_username`](crate::Client::resolve_username) | `tests/tests/client_api/contacts.rs::people_are_found_by_name_and_by_username` |
//! | `contacts.exportCard`, `importCard` | [`Client::export_contact_token`](crate::Client::export_contact_token), [`import_contact_token`](crate::Client::import_contact_token) | `tests/tests/client_api/contacts.rs::cards_are_tokens_now` |
//! | `users.getUsers`, `getFullUser` | [`Client::users`](crate::Client::users), [`full_user`](crate::Client::full_user), [`get_me`](crate::Client::get_me) | `tests/tests/client_api/server.rs::the_account_and_others_are_looked_at` |
//! | `help.getConfig`, `getNearestDc`, `getSupport`, `getInviteText` | [`Client::server_config`](crate::Client::server_config), [`nearest_dc`](crate::Client::nearest_dc), [`support`](crate::Client::support), [`invite_text`](crate::Client::invite_text) | `tests/tests/client_api/server.rs::the_server_says_what_it_is` |
//! | `account`, `photos`, `upload`: empty there | [`Client::invoke`](crate::Client::invoke) for every method of the layer | `tests/tests/client_adapters/calls.rs::a_call_opens_what_it_needs_as_a_type_by_name_or_as_bytes` |
