//! Why a call was refused, in the language of grants.
