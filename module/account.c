// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much memory do all the watches of a user take?
 *
 * One sum a user, over buffers, mirrors, names and touched pages of his watches,
 * those that have ended and those kept ready for children included. The memory is
 * charged to the cgroup of whoever gives the command, too.
 *
 * Owner: each watch holds a reference.
 */
#include <linux/cred.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "internal.h"

static unsigned int max_user_kb = 262144;
module_param(max_user_kb, uint, 0444);
MODULE_PARM_DESC(max_user_kb, "memory that all watches of one user may take, in KiB (262144)");

/**
 * struct account - one user's memory
 * @all: in @accounts
 * @uid: the user
 * @users: references; accounts_mutex
 * @bytes: in use
 */
struct account {
	struct list_head all;
	kuid_t uid;
	unsigned int users;
	atomic64_t bytes;
};

static DEFINE_MUTEX(accounts_mutex);
static LIST_HEAD(accounts);	/* accounts_mutex */

/* All the ids that somebody has in user namespaces of his own are he himself. */
static kuid_t account_uid(const struct cred *cred)
{
	const struct user_namespace *ns = cred->user_ns;
	kuid_t uid = cred->fsuid;

	for (; ns != &init_user_ns; ns = ns->parent)
		uid = ns->owner;
	return uid;
}

static struct account *account_find(kuid_t uid)
{
	struct account *account;

	list_for_each_entry(account, &accounts, all)
		if (uid_eq(account->uid, uid))
			return account;
	account = kzalloc(sizeof(*account), GFP_KERNEL_ACCOUNT);
	if (account) {
		account->uid = uid;
		list_add(&account->all, &accounts);
	}
	return account;
}

/**
 * account_get() - the account of a user
 * @cred: his credentials
 *
 * Context: process; may sleep. Return: a reference for account_put(), or NULL
 * without memory.
 */
struct account *account_get(const struct cred *cred)
{
	struct account *account;

	mutex_lock(&accounts_mutex);
	account = account_find(account_uid(cred));
	if (account)
		account->users++;
	mutex_unlock(&accounts_mutex);
	return account;
}

/**
 * account_put() - give a reference back
 * @account: or NULL
 *
 * Context: process.
 */
void account_put(struct account *account)
{
	if (!account)
		return;
	mutex_lock(&accounts_mutex);
	if (!--account->users) {
		list_del(&account->all);
		kfree(account);
	}
	mutex_unlock(&accounts_mutex);
}

/**
 * account_fits() - would a user's watches stay within the limit?
 * @account: the user's
 * @bytes: that come to those in use, or go if negative
 */
bool account_fits(const struct account *account, s64 bytes)
{
	return atomic64_read(&account->bytes) + bytes <= (s64)max_user_kb << 10;
}

/**
 * watch_charge() - a watch takes more memory, or gives some back
 * @w: the watch
 * @bytes: negative for what is given back
 *
 * Call it before the memory is taken. What a watch still has is given back when
 * it is freed. Context: any but NMI. Return: false if it would be too much; then
 * nothing is charged.
 */
bool watch_charge(struct watch *w, s64 bytes)
{
	struct account *account = w->account;

	if (atomic64_add_return(bytes, &account->bytes) > (s64)max_user_kb << 10 && bytes > 0) {
		atomic64_sub(bytes, &account->bytes);
		return false;
	}
	atomic64_add(bytes, &w->charged);
	return true;
}
